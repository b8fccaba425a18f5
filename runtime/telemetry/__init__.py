"""What the runtime shows of itself: counts and latencies, calls under way, and spans for whoever collects them."""
