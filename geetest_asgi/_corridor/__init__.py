"""The steps that one protected request takes."""
