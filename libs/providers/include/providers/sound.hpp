#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

/// What a file of sound is and how long it lasts, told by its structure alone, wherever in the file that begins: not by what
/// somebody called it.
namespace otto::providers {

/// A kind of sound file, by the ending of its name: "mp3", "wav", "m4a", "ogg", "webm", "flac", "aac", "amr", "aiff", "wma".
using SoundKind = std::string_view;

/// "audio/mpeg" of "mp3" and so on; "application/octet-stream" of what is no kind of sound.
std::string_view media_type(SoundKind);

/// `read(offset, count)` gives bytes of a file, fewer at its end.
using ReadAt = std::function<std::string(std::uint64_t offset, std::size_t count)>;

/// As many first bytes as tell what a file is not.
inline constexpr std::size_t kFirstLook = 512;

/// What the first bytes, kFirstLook or all of a shorter file, show to be no sound, in a word for people ("a web page", "JSON",
/// "no sound"). nullopt: it may be one.
std::optional<std::string> no_sound(std::string_view first);

/// What the headers inside a file say of it.
struct Sound {
    SoundKind kind;
    std::optional<double> seconds;       ///< how long what is there lasts; nullopt: it is sound, and its length cannot be told
    std::optional<std::uint64_t> bytes;  ///< how long the file says it is, if it says so
};
/// nullopt: there is no sound in it that we know. Zeros and tags before the sound are passed over. Looks at so much of a file and
/// no more, however it was made.
std::optional<Sound> sound_in(std::uint64_t size, const ReadAt& read);

}  // namespace otto::providers
