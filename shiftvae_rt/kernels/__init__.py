"""The compiled core for Python: arguments are checked and memory is allocated here, C++ does the rest."""
