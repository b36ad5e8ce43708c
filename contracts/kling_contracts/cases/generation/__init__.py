"""How cases are made: a plan that can be done, the changes that break it, the limits of both from the contract."""
