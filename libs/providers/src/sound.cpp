#include "providers/sound.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <taglib/fileref.h>
#include <taglib/id3v2framefactory.h>
#include <taglib/mpegfile.h>
#include <taglib/mpegheader.h>
#include <taglib/mpegproperties.h>
#include <taglib/tfile.h>
#include <taglib/tiostream.h>
#include <taglib/xingheader.h>

#include "base/text.hpp"

namespace otto::providers {
namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t kFarthest = 64ull << 20;  ///< how far into a file its sound is looked for
constexpr std::size_t kMostLooks = 200'000;       ///< that TagLib may take at one file
constexpr unsigned long kMostAtOnce = 1ul << 20;
constexpr std::size_t kBlock = 64u << 10;

struct Mark {
    std::size_t at;
    std::string_view bytes;
    SoundKind kind;
};
constexpr Mark kMarks[] = {{8, "WAVE"sv, "wav"},
                           {4, "ftyp"sv, "m4a"},
                           {0, "OggS"sv, "ogg"},
                           {0, "\x1a\x45\xdf\xa3"sv, "webm"},
                           {0, "fLaC"sv, "flac"},
                           {0, "#!AMR"sv, "amr"},
                           {8, "AIFF"sv, "aiff"},
                           {8, "AIFC"sv, "aiff"},
                           {0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11"sv, "wma"}};
constexpr std::string_view kOthers[] = {"%PDF"sv,
                                        "\x89PNG"sv,
                                        "\xff\xd8\xff"sv,
                                        "GIF8"sv,
                                        "PK\x03\x04"sv,
                                        "\x1f\x8b"sv,
                                        "\x7f"
                                        "ELF"sv};

SoundKind marked(std::string_view b) {
    for (const auto& mark : kMarks) {
        if (b.size() < mark.at + mark.bytes.size() || b.substr(mark.at, mark.bytes.size()) != mark.bytes) continue;
        if (mark.kind == "wav" && !b.starts_with("RIFF") && !b.starts_with("RF64") && !b.starts_with("BW64")) continue;
        if (mark.kind == "aiff" && !b.starts_with("FORM")) continue;
        return mark.kind;
    }
    return {};
}

/// The length of an ID3 tag that stands there, 0 if none does. Version, flags and length are looked at too: "ID3" alone may begin
/// a text.
std::uint64_t tag_length(std::string_view b) {
    if (b.size() < 10 || !b.starts_with("ID3") || b[3] < 2 || b[3] > 4 || (b[5] & 0x0f) != 0) return 0;
    std::uint64_t length = 0;  // of four times seven bits
    for (char c : b.substr(6, 4)) {
        if (c & 0x80) return 0;
        length = length << 7 | static_cast<std::uint8_t>(c);
    }
    return 10 + length + (b[5] & 0x10 ? 10 : 0);
}

bool is_text(std::string_view b) {
    bool control = std::any_of(b.begin(), b.end(), [](char c) {
        auto u = static_cast<unsigned char>(c);
        return (u < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f') || u == 0x7f;
    });
    for (std::size_t cut = 0; !control && cut < std::min<std::size_t>(b.size(), 4); ++cut)  // its last letter may be cut
        if (valid_utf8(b.substr(0, b.size() - cut))) return true;
    return false;
}

std::uint64_t little_endian(std::string_view b) {
    std::uint64_t n = 0;
    for (std::size_t i = b.size(); i-- > 0;) n = n << 8 | static_cast<std::uint8_t>(b[i]);
    return n;
}

/// Reads in blocks, whatever is asked for.
class Blocks {
public:
    Blocks(std::uint64_t size, const ReadAt& read) : size_(size), read_(read) {}
    std::uint64_t size() const { return size_; }
    std::string take(std::uint64_t at, std::size_t count) {
        if (at >= size_) return {};
        count = static_cast<std::size_t>(std::min<std::uint64_t>(count, size_ - at));
        if (count > kBlock) return read_(at, count);
        if (at < from_ || at + count > from_ + block_.size()) {
            bool back = at < from_;  // who goes back will go on so
            fill(!back ? at : at + count > kBlock ? at + count - kBlock : 0);
        }
        auto there = static_cast<std::size_t>(at - from_);
        return there < block_.size() ? block_.substr(there, count) : "";
    }
    void fill(std::uint64_t from) {
        from_ = from;
        block_ = read_(from_, kBlock);
    }

private:
    std::uint64_t size_, from_ = 0;
    const ReadAt& read_;
    std::string block_;
};

/// A file from one byte on, as TagLib reads it: at most so much at once and so often, whoever made the file.
class View final : public TagLib::IOStream {
public:
    View(Blocks& blocks, std::uint64_t from, SoundKind kind)
        : blocks_(blocks), from_(from), name_("sound." + std::string(kind)) {}
    TagLib::FileName name() const override { return name_.c_str(); }
    TagLib::ByteVector readBlock(unsigned long length) override {
        if (++looks_ > kMostLooks || at_ < 0) return {};
        auto bytes = blocks_.take(from_ + static_cast<std::uint64_t>(at_), std::min(length, kMostAtOnce));
        at_ += static_cast<long>(bytes.size());
        return {bytes.data(), static_cast<unsigned int>(bytes.size())};
    }
    void seek(long offset, Position p) override { at_ = (p == Beginning ? 0 : p == Current ? at_ : length()) + offset; }
    long tell() const override { return at_; }
    long length() override { return static_cast<long>(blocks_.size() - from_); }
    bool readOnly() const override { return true; }
    bool isOpen() const override { return true; }
    void writeBlock(const TagLib::ByteVector&) override {}
    void insert(const TagLib::ByteVector&, unsigned long, unsigned long) override {}
    void removeBlock(unsigned long, unsigned long) override {}
    void truncate(long) override {}

private:
    Blocks& blocks_;
    std::uint64_t from_;
    std::string name_;
    long at_ = 0;
    std::size_t looks_ = 0;
};

/// As much of a TagLib file as MPEG headers need.
class Plain final : public TagLib::File {
public:
    explicit Plain(View& view) : File(&view) {}
    TagLib::Tag* tag() const override { return nullptr; }
    TagLib::AudioProperties* audioProperties() const override { return nullptr; }
    bool save() override { return false; }
};

/// Where the first MPEG frame stands that is followed by three more where it says: one look can be chance.
std::optional<std::uint64_t> first_frame(Blocks& blocks, std::uint64_t from) {
    View view(blocks, from, "mp3");
    Plain file(view);
    auto follows = [&](long at) {
        for (int i = 0; i < 3; ++i) {
            TagLib::MPEG::Header header(&file, at, true);  // looks at the next one as well
            if (!header.isValid() || header.frameLength() <= 0) return false;
            at += header.frameLength();
        }
        return true;
    };
    auto end = std::min(blocks.size(), from + kFarthest);
    constexpr std::size_t window = kBlock / 2;  // of what is kept: frames that are looked at stand in the rest
    for (auto at = from; at + 4 <= end; at += window - 1) {
        blocks.fill(at);
        auto block = blocks.take(at, window);
        for (auto sync = block.find('\xff'); sync != std::string::npos && sync + 1 < block.size();
             sync = block.find('\xff', sync + 1)) {
            auto next = static_cast<unsigned char>(block[sync + 1]);
            if (next == 0xff || (next & 0xe0) != 0xe0) continue;
            if (follows(static_cast<long>(at + sync - from))) return at + sync;
        }
    }
    return std::nullopt;
}

/// Whether the first bytes are a frame's of layer III: enough for a file that has hardly more than one.
bool begins_as_frame(Blocks& blocks, std::uint64_t at) {
    View view(blocks, at, "mp3");
    Plain file(view);
    TagLib::MPEG::Header header(&file, 0, false);
    return header.isValid() && header.layer() == 3;
}

/// A length that a recording can have; headers may say anything.
std::optional<double> believable(double seconds) {
    return seconds > 0 && seconds <= 7 * 86'400 ? std::optional(seconds) : std::nullopt;
}

Sound mp3_at(Blocks& blocks, std::uint64_t from) {
    View view(blocks, from, "mp3");
    TagLib::MPEG::File file(&view, TagLib::ID3v2::FrameFactory::instance(), true, TagLib::AudioProperties::Average);
    Sound out{"mp3", {}, {}};
    const auto* facts = file.audioProperties();
    if (!facts) return out;
    out.seconds = believable(facts->lengthInMilliseconds() / 1000.0);
    if (const auto* counted = facts->xingHeader(); counted && counted->isValid() && counted->totalSize() > 0)
        out.bytes = from + counted->totalSize();
    return out;
}

/// ADTS: two frames, the second where the first says.
bool is_adts(Blocks& blocks, std::uint64_t at) {
    auto is_frame = [&](std::string_view b) {
        return b.size() >= 7 && b[0] == '\xff' && (b[1] & 0xf6) == 0xf0 && (b[2] >> 2 & 15) < 13;
    };
    auto first = blocks.take(at, 7);
    if (!is_frame(first)) return false;
    auto length = static_cast<std::uint64_t>((first[3] & 3) << 11 | static_cast<std::uint8_t>(first[4]) << 3 |
                                             static_cast<std::uint8_t>(first[5]) >> 5);
    return length >= 7 && is_frame(blocks.take(at + length, 7));
}

/// A chunk's name that there is; a chunk of odd length may or may not be filled up before it.
bool is_known(std::string_view b) {
    constexpr std::string_view names[] = {"data", "fmt ", "fact", "LIST", "bext", "JUNK", "junk", "cue ", "id3 ", "ID3 "};
    return std::find(std::begin(names), std::end(names), b) != std::end(names);
}

/// TagLib gives up at RF64, at the lengths of who writes while recording, at a file that was cut, and at compressed sound without
/// a count of its samples. Telephone recorders write all of these; what the chunks say is enough to measure them.
Sound wav_at(Blocks& blocks, std::uint64_t from) {
    Sound out{"wav", {}, {}};
    std::uint64_t of_data = 0, sound = 0, a_second = 0;  // of RF64 the length of the sound stands apart
    auto at = from + 12;
    for (int chunks = 0; chunks < 1'000; ++chunks) {
        auto head = blocks.take(at, 32);
        if (head.size() < 8) break;
        auto number = [&](std::size_t offset, std::size_t count) {
            return offset + count <= head.size() ? little_endian(std::string_view(head).substr(offset, count)) : 0;
        };
        auto name = std::string_view(head).substr(0, 4);
        auto length = number(4, 4), rest = blocks.size() - at - 8;
        if (name == "ds64") of_data = number(16, 8);
        if (name == "fmt ") {
            auto format = number(8, 2), by_width = number(12, 4) * number(20, 2);
            bool as_wide = format == 1 || format == 3 || format == 6 || format == 7 || format == 0xfffe;
            a_second = as_wide && by_width > 0 ? by_width : number(16, 4);
        }
        if (name == "data") {
            bool told = length != 0 && length < 0xffff'ff00u;
            if (!told && of_data != 0) length = of_data, told = true;
            if (!told)
                length = rest;
            else if (length < 1ull << 60)
                out.bytes = at + 8 + length;
            sound = std::min(length, rest);
        }
        if (length >= rest || (sound > 0 && a_second > 0)) break;
        at += 8 + length;
        if (length % 2 && !is_known(blocks.take(at, 4))) ++at;
    }
    if (a_second > 0) out.seconds = believable(static_cast<double>(sound) / static_cast<double>(a_second));
    return out;
}

Sound measured(Blocks& blocks, std::uint64_t from, SoundKind kind) {
    if (kind == "wav") return wav_at(blocks, from);
    Sound out{kind, {}, {}};
    if (kind != "m4a" && kind != "ogg" && kind != "flac")
        return out;  // TagLib has no measure of them, or reads more than a measure
    View view(blocks, from, kind);
    TagLib::FileRef file(&view, true, TagLib::AudioProperties::Average);
    const auto* facts = file.isNull() ? nullptr : file.audioProperties();
    if (facts) out.seconds = believable(facts->lengthInMilliseconds() / 1000.0);
    return out;
}

}  // namespace

std::string_view media_type(SoundKind kind) {
    static constexpr std::pair<std::string_view, std::string_view> types[] = {
        {"mp3", "audio/mpeg"},  {"wav", "audio/wav"}, {"m4a", "audio/mp4"}, {"ogg", "audio/ogg"},   {"webm", "audio/webm"},
        {"flac", "audio/flac"}, {"aac", "audio/aac"}, {"amr", "audio/amr"}, {"aiff", "audio/aiff"}, {"wma", "audio/x-ms-wma"}};
    for (auto [k, type] : types)
        if (k == kind) return type;
    return "application/octet-stream";
}

std::optional<std::string> no_sound(std::string_view first) {
    if (!marked(first).empty() || tag_length(first) > 0) return std::nullopt;
    auto begins = trim(first.substr(first.starts_with("\xEF\xBB\xBF") ? 3 : 0));
    if (begins.starts_with("<")) return "a web page";
    if (begins.starts_with("{") || begins.starts_with("[")) return "JSON";
    for (auto other : kOthers)
        if (first.starts_with(other)) return "no sound";
    if (is_text(first)) return "no sound";
    return std::nullopt;
}

std::optional<Sound> sound_in(std::uint64_t size, const ReadAt& read) {
    Blocks blocks(size, read);
    std::uint64_t at = 0;
    bool tagged = false;
    while (at < std::min(size, kFarthest)) {
        auto head = blocks.take(at, kBlock);
        if (head.empty()) break;
        if (auto zeros = head.find_first_not_of('\0'); zeros != 0) {
            at += std::min(zeros, head.size());
            // The first letters of an MP4 are zeros of its own.
            for (std::uint64_t own = 1; own <= std::min<std::uint64_t>(at, 3); ++own)
                if (auto kind = marked(blocks.take(at - own, 64)); kind == "m4a") return measured(blocks, at - own, kind);
            continue;
        }
        auto tag = tag_length(head);
        if (tag == 0) break;
        if (tag > size - at) return Sound{"mp3", {}, at + tag};
        tagged = true;
        at += tag;
    }
    if (at >= size) return tagged ? std::optional(Sound{"mp3", {}, {}}) : std::nullopt;
    if (auto kind = marked(blocks.take(at, 64)); !kind.empty()) return measured(blocks, at, kind);
    if (is_adts(blocks, at)) return Sound{"aac", {}, {}};
    if (auto frame = first_frame(blocks, at)) return mp3_at(blocks, *frame);
    if (tagged || begins_as_frame(blocks, at)) return Sound{"mp3", {}, {}};
    return std::nullopt;
}

}  // namespace otto::providers
