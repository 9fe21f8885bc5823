#include "recording_sink.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace otto::providers {

bool RecordingSink::take(std::string_view piece) {
    if (stopping_ && stopping_()) {
        stopped_ = true;
        return false;
    }
    if (keeping_) return keep(piece);
    first_.append(piece);
    return json_ ? first_.size() <= kMostJson : first_.size() < kFirstLook || judge();
}

void RecordingSink::end() {
    if (!keeping_ && !json_ && !other_ && !first_.empty()) judge();
}

bool RecordingSink::judge() {
    other_ = no_sound(first_);
    if (!other_) {
        keeping_ = true;
        return keep(std::exchange(first_, {}));
    }
    json_ = trim(first_).starts_with("{");
    return json_;
}

bool RecordingSink::keep(std::string_view piece) {
    auto written = file_.write(piece);
    if (!written) disk_ = written.error();
    return written.ok();
}

FetchOutcome RecordingSink::recording(const std::string& where, std::string_view content_type, const std::string& cure,
                                      bool another_key) {
    if (empty()) return NotYet{"the recording is not there yet: " + where + " answers with nothing"};
    auto sound = other_ ? std::nullopt : sound_in(file_.bytes(), [&](std::uint64_t offset, std::size_t count) {
        return file_.read(offset, count).value_or("");
    });
    if (!sound) {
        auto type = content_type.empty() ? std::string("no type at all") : clip_utf8(mend_utf8(content_type), 80);
        return Never{where + " gives " + other_.value_or("no sound") + " instead of a recording, as " + type, cure, another_key};
    }
    // Writers miscount by a header or a tag; a connection that broke loses more.
    if (sound->bytes && *sound->bytes > file_.bytes() + std::max<std::uint64_t>(4096, *sound->bytes / 64))
        return Again{"the recording is cut short: " + std::to_string(file_.bytes()) + " bytes of " +
                         std::to_string(*sound->bytes) + " that its header promises",
                     std::nullopt};
    auto bytes = file_.bytes();
    auto hash = file_.sha256();
    return Fetched{std::move(file_), bytes, std::move(hash), sound->kind, sound->seconds};
}

}  // namespace otto::providers
