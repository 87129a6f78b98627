"""Models as files: safetensors, with a description in plain JSON, written whole or not at all."""
