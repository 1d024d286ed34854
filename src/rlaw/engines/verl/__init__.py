"""The veRL engine: one run through veRL's GRPO trainer on Ray, which rlaw starts, reads along with, and ends."""
