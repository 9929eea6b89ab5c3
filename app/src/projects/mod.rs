//! Pages of a project: new, settings, embedding.
