"""Fine-tuning: repeatable, and resumable bit for bit."""
