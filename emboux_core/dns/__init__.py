"""DNS records of a mail domain: what should exist (expected), what does (lookup, judge, spf)."""
