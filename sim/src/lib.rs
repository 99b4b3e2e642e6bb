//! A stand-in for the microCMS service.
