"""How good predictions are: figures with their intervals, and the comparison of a challenger with the champion."""
