"""One run through TRL's GRPOTrainer: our tasks, schedule and records around its rollouts and updates."""
