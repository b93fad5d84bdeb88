"""The model that is trained: loading, number format, averaging its weights with the base model's."""
