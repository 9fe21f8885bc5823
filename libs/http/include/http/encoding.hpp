#pragma once
#include <string>
#include <string_view>

#include "http/message.hpp"

/// How a body is packed for its way (Content-Encoding).
namespace otto::http {

/// Whether an Accept-Encoding field takes `encoding` (RFC 9110, 12.5.3): named, or meant by *, and not with q=0.
bool accepts_encoding(std::string_view accept_encoding, std::string_view encoding);

/// In the gzip format; level 1 is cheapest, 9 smallest.
std::string gzip(std::string_view, int level);

/// Packs an answer's text of more than 1 KiB for a client that takes it, as the server does with the answers of all handlers that
/// run on workers: 50 calls are 52 kB, or 6 for a quarter of a millisecond. Not what is packed already or no text, no part of
/// something, nothing whose length is nobody's to change (files, streams). Its ETag becomes a weak one, for the bytes are others.
/// Secrets beside what a stranger chose could be guessed by their length; no page of a stranger can ask here in somebody's name,
/// for no cookie lets it in.
void pack(const Request&, Response&);

}  // namespace otto::http
