#pragma once
#include "base/time.hpp"
#include "http/server.hpp"
#include "providers/media_links.hpp"
#include "providers/object_store.hpp"

namespace otto::shunya_orchestrator {

/// `GET /media/{token}`: the object that a link names, with ranges, for whoever has the link (no bearer token). What is no image,
/// audio or video is an attachment, so that nothing that strangers sent runs as a page of ours. A link that is wrong or over, and
/// an object that is not there, are 404 alike. `store`, `links` and `clock` must outlive the server.
void add_media(http::Router&, const providers::ObjectStore& store, const providers::MediaLinks& links,
               const Clock& clock = system_clock());

}  // namespace otto::shunya_orchestrator
