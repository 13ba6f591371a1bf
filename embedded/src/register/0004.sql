-- Nobody is locked out: attempts are slowed in each server's memory, and nothing of them is written here.

DROP TABLE attempts;
