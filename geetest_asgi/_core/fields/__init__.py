"""The captcha fields: where they are, how they are named, and the parsers that find them. Pure."""
