"""One file a question; every function takes a result and an axis, draws numbers of its frames and gives the axis back."""
