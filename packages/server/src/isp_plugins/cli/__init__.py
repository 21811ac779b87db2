"""The command line `isp-plugins`: a client of the HTTP API, and the server's own start."""
