"""The widget in a real browser: Debian's Chromium, driven by Playwright. Skipped where either is missing."""
