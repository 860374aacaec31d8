// Bytes out of text and out of what zlib or gzip packed; the browser does the work.

export async function unpack(bytes, format) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The data block `id` of the page: base64 of gzip; null if it has none.
export async function block(id) {
  const found = document.getElementById(id);
  return found && unpack(Uint8Array.from(atob(found.textContent), each => each.charCodeAt(0)), "gzip");
}
