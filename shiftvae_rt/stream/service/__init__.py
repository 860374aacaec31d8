"""The service: frames from producers in, latent maps to readers out, and an outcome for every frame.

`service` runs the loop: `producers` handles one message, the live, lossless or open intake encodes its frame
(`encoding`), `publisher` sends the map to the readers, and lossless maps are committed to the journal before that.
`control` answers requests and swaps the model (`model_swap`); `accounting` counts; `health` serves HTTP.
"""
