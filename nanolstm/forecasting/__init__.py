"""Forecasts that are scored where they were not fitted, in the data's own units, beside what costs nothing."""
