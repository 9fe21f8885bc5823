// A recording: any bytes.
#include "providers/sound.hpp"

#include "harness.hpp"

using namespace otto::providers;

void fuzz(std::string_view file) {
    std::size_t read = 0;
    ReadAt from = [&](std::uint64_t offset, std::size_t count) {
        if (offset >= file.size()) return std::string();
        auto out = std::string(file.substr(static_cast<std::size_t>(offset), count));
        read += out.size();
        return out;
    };
    auto sound = sound_in(file.size(), from);
    OTTO_EXPECT(read <= (64u << 20) + 4'000 * file.size(), std::to_string(read));
    auto other = no_sound(file.substr(0, kFirstLook));
    OTTO_EXPECT(!other || !other->empty(), "");
    if (!sound) return;
    OTTO_EXPECT(media_type(sound->kind) != "application/octet-stream", std::string(sound->kind));
    if (sound->seconds) OTTO_EXPECT(*sound->seconds > 0 && *sound->seconds <= 604'800, std::to_string(*sound->seconds));
    auto again = sound_in(file.size(), from);
    OTTO_EXPECT(again && again->kind == sound->kind && again->seconds == sound->seconds && again->bytes == sound->bytes,
                "not pure");
    // Zeros before a sound say nothing, but where they make an MP4 whole: its first letters are zeros of its own.
    for (std::size_t at = 1; at <= 3; ++at)
        if (file.substr(std::min(at, file.size()), 4) == "ftyp") return;
    auto later = std::string(64, '\0').append(file);
    file = later;
    auto shifted = sound_in(file.size(), from);
    OTTO_EXPECT(shifted && shifted->kind == sound->kind && shifted->seconds == sound->seconds,
                "zeros before it make another sound of it");
}
