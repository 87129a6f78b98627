"""`nl.check` and `nanolstm check`: whether a cell is traced as it runs, and derived as it is."""
