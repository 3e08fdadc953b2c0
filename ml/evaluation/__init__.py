"""How good predictions are: figures with their intervals, and a challenger against the champion."""
