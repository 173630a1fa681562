//! Vigia
