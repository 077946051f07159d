"""Heads, one page each: what an encoder is put to use for."""
