"""Plan against plan: who gains and who loses what, exactly, and what else changed."""
