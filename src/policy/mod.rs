//! Guardrails: desired and fleet → violations with their place.
