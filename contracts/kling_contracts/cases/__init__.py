"""Cases: requests with their worlds and the rules they break."""
