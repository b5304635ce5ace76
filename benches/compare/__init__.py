"""The parts of benches/versus."""
