"""The CRLs of the CAs: scheduled, built, checked, published."""
