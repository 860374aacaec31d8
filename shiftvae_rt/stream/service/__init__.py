"""The service: sessions of producers, one encoder, results to every reader."""
