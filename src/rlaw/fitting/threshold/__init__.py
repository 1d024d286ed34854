"""Laws of the resource that reaches a threshold."""
