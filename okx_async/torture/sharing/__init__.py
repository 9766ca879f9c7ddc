"""Histories of several programs or event loops that share one limit, judged by what the exchange counted."""
