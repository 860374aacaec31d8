"""What is said over the network, as typed messages. Imports no zmq: an import contract sees to it."""
