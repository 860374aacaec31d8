"""Messages, sockets and both ends of the stream, without the service in the middle."""
