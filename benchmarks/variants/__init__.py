"""The comparison of "LSTM: A Search Space Odyssey", in small: tasks, trials, what they come to, and the page of it."""
