"""Real frameworks behind the guard on real servers, asked over real sockets."""
