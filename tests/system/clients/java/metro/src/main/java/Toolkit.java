import jakarta.xml.ws.BindingProvider;
import javax.net.ssl.SSLContext;

/** How Metro is told of certificates. */
final class Toolkit {
    private Toolkit() {}

    static void secure(Object port, SSLContext context) {
        ((BindingProvider) port)
                .getRequestContext()
                .put("com.sun.xml.ws.transport.https.client.SSLSocketFactory", context.getSocketFactory());
    }
}
