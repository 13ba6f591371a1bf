import javax.net.ssl.SSLContext;
import org.apache.cxf.configuration.jsse.TLSClientParameters;
import org.apache.cxf.frontend.ClientProxy;
import org.apache.cxf.transport.http.HTTPConduit;

/** How CXF is told of certificates. */
final class Toolkit {
    private Toolkit() {}

    static void secure(Object port, SSLContext context) {
        var conduit = (HTTPConduit) ClientProxy.getClient(port).getConduit();
        var parameters = new TLSClientParameters();
        parameters.setSslContext(context);
        conduit.setTlsClientParameters(parameters);
    }
}
