// What files of sound are, wherever in them the sound begins and however they were written.
#include "providers/sound.hpp"

#include <fstream>

#include "testing/catch.hpp"

using namespace otto;
using namespace otto::providers;
using namespace std::string_literals;

namespace {

std::string little(std::uint64_t n, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += static_cast<char>(n >> 8 * i & 255);
    return out;
}
std::string big(std::uint64_t n, std::size_t count) {
    auto out = little(n, count);
    return {out.rbegin(), out.rend()};
}
std::string zeros(std::size_t n) { return std::string(n, '\0'); }

std::string chunk(const std::string& name, const std::string& content, std::optional<std::uint64_t> said = {},
                  bool filled = true) {
    return name + little(said.value_or(content.size()), 4) + content + (filled && content.size() % 2 ? "\0"s : "");
}
/// 8,000 samples a second, one channel.
std::string fmt(int format = 1, int bits = 8, int bytes_a_second = 8'000) {
    return chunk("fmt ", little(format, 2) + little(1, 2) + little(8'000, 4) + little(bytes_a_second, 4) +
                             little(bits > 8 ? bits / 8 : 1, 2) + little(bits, 2));
}
std::string riff(const std::string& chunks, const std::string& id = "RIFF") {
    return id + little(4 + chunks.size(), 4) + "WAVE" + chunks;
}
std::string silence(std::size_t bytes) { return std::string(bytes, '\x80'); }

/// So many frames of MPEG 2.5 layer III, 16 kbit/s, 8,000 Hz, one channel: 144 bytes and 72 ms each.
std::string mp3(int frames) {
    std::string out;
    for (int i = 0; i < frames; ++i) out += "\xff\xe3\x28\xc4"s + std::string(140, '\x11');
    return out;
}
/// So many frames of MPEG 1 layer III, 128 kbit/s, 44,100 Hz: 417 bytes and 26.12 ms each.
std::string music(int frames) {
    std::string out;
    for (int i = 0; i < frames; ++i) out += "\xff\xfb\x90\x64"s + std::string(413, '\x22');
    return out;
}
std::string id3(const std::string& content, bool footer = false) {
    auto n = content.size();
    std::string length{static_cast<char>(n >> 21 & 127), static_cast<char>(n >> 14 & 127), static_cast<char>(n >> 7 & 127),
                       static_cast<char>(n & 127)};
    return "ID3\x04\0"s + (footer ? "\x10" : "\0"s) + length + content + (footer ? "3DI\x04\0\x10"s + length : "");
}
std::string counted(std::uint32_t frames, std::uint32_t bytes, int there) {
    auto out = mp3(there);
    out.replace(4 + 9, 16, "Xing" + big(3, 4) + big(frames, 4) + big(bytes, 4));
    return out;
}

std::string box(const std::string& name, const std::string& content) { return big(content.size() + 8, 4) + name + content; }
/// An MP4 whose track lasts so many milliseconds.
std::string m4a(std::uint32_t milliseconds, bool sound_first) {
    auto header = box("mdhd", zeros(12) + big(1'000, 4) + big(milliseconds, 4) + zeros(4));
    auto kind = box("hdlr", zeros(8) + "soun" + zeros(13));
    auto entry = box("mp4a", zeros(6) + big(1, 2) + zeros(8) + big(1, 2) + big(16, 2) + zeros(4) + big(8'000, 2) + zeros(2));
    auto table = box("stbl", box("stsd", zeros(4) + big(1, 4) + entry));
    auto moov = box("moov", box("mvhd", zeros(12) + big(1'000, 4) + big(milliseconds, 4) + zeros(80)) +
                                box("trak", box("mdia", header + kind + box("minf", table))));
    auto sound = box("mdat", std::string(500, 'x'));
    return box("ftyp", "M4A \0\0\0\0M4A mp42isom"s) + (sound_first ? sound + moov : moov + sound);
}
std::string ogg_page(int flags, std::uint64_t position, int number, const std::string& packet) {
    std::string sizes;
    for (auto left = packet.size();; left -= 255) {
        sizes += static_cast<char>(std::min<std::size_t>(left, 255));
        if (left < 255) break;
    }
    return "OggS\0"s + static_cast<char>(flags) + little(position, 8) + little(7, 4) +
           little(static_cast<std::uint64_t>(number), 4) + little(0, 4) + static_cast<char>(sizes.size()) + sizes + packet;
}
/// Opus counts 48,000 samples a second, whatever was recorded.
std::string opus(double seconds) {
    return ogg_page(2, 0, 0, "OpusHead\1\1"s + little(0, 2) + little(8'000, 4) + little(0, 2) + "\0"s) +
           ogg_page(0, 0, 1, "OpusTags" + little(1, 4) + "x" + little(0, 4)) +
           ogg_page(4, static_cast<std::uint64_t>(seconds * 48'000), 2, std::string(200, 'x'));
}
std::string flac(std::uint64_t samples) {
    std::uint64_t packed = 8'000ull << 44 | 15ull << 36 | samples;  // rate, one channel of sixteen bits, how many
    return "fLaC\x80"s + big(34, 3) + big(4'096, 2) + big(4'096, 2) + zeros(6) + big(packed, 8) + zeros(16) + "\xff\xf8"s +
           std::string(100, 'x');
}
std::string adts(int frames) {
    std::string out;
    for (int i = 0; i < frames; ++i) out += "\xff\xf1\x50\x80\x0d\x00\xfc"s + std::string(97, 'x');  // 104 bytes
    return out;
}

/// What is in a file, and how much of it was read.
std::optional<Sound> look(const std::string& file, std::size_t* read = nullptr) {
    return sound_in(file.size(), [&](std::uint64_t offset, std::size_t count) {
        if (offset >= file.size()) return ""s;
        auto out = file.substr(offset, count);
        if (read) *read += out.size();
        return out;
    });
}

}  // namespace

TEST_CASE("sound: kinds and lengths") {
    struct Row {
        const char* what;
        std::string file, kind;
        std::optional<double> seconds;
        std::optional<std::uint64_t> bytes;
    };
    const auto pcm = riff(fmt() + chunk("data", silence(20'000)));
    for (const auto& row : std::vector<Row>{
             {"plain", pcm, "wav", 2.5, 20'044},
             {"sixteen bits", riff(fmt(1, 16, 16'000) + chunk("data", silence(40'000))), "wav", 2.5, 40'044},
             {"a chunk before the sound, filled up", riff(fmt() + chunk("LIST", "INFOx") + chunk("data", silence(20'000))), "wav", 2.5, 20'058},
             {"not filled up", riff(fmt() + chunk("LIST", "INFOx", {}, false) + chunk("data", silence(20'000))), "wav", 2.5, 20'057},
             {"filled up with anything", riff(fmt() + chunk("LIST", "INFOx", {}, false) + "x" + chunk("data", silence(20'000))), "wav", 2.5, 20'058},
             {"chunks before the format", riff(chunk("JUNK", zeros(28)) + chunk("bext", silence(602)) + fmt() + chunk("fact", little(20'000, 4)) + chunk("data", silence(20'000))), "wav", 2.5, {}},
             {"the format after the sound", riff(chunk("data", silence(20'000)) + fmt()), "wav", 2.5, 20'020},
             {"chunks after the sound", pcm + chunk("LIST", "INFOIART") + chunk("id3 ", id3(zeros(40))), "wav", 2.5, 20'044},
             {"five hundred chunks", [] {
                  std::string many;
                  for (int i = 0; i < 500; ++i) many += chunk("note", std::string(static_cast<std::size_t>(i), 'n'));
                  return riff(fmt() + many + chunk("data", silence(20'000)));
              }(), "wav", 2.5, {}},
             {"µ-law, as telephones have it", riff(fmt(7) + chunk("data", silence(20'000))), "wav", 2.5, {}},
             {"A-law", riff(fmt(6) + chunk("data", silence(20'000))), "wav", 2.5, {}},
             {"µ-law with a count of samples that was never filled in", riff(fmt(7) + chunk("fact", little(0, 4)) + chunk("data", silence(20'000))), "wav", 2.5, {}},
             {"GSM 6.10: 1,625 bytes a second", riff(fmt(0x31, 0, 1'625) + chunk("data", silence(16'250))), "wav", 10.0, {}},
             {"ADPCM: four bits", riff(fmt(0x11, 4, 4'000) + chunk("data", silence(10'000))), "wav", 2.5, {}},
             {"written while it was recorded", riff(fmt() + chunk("data", silence(20'000), 0xffff'ffff)), "wav", 2.5, {}},
             {"its length never filled in", riff(fmt() + chunk("data", silence(20'000), 0)), "wav", 2.5, {}},
             {"RF64", riff(chunk("ds64", little(20'000 + 80, 8) + little(20'000, 8) + little(20'000, 8) + little(0, 4)) + fmt() + chunk("data", silence(20'000), 0xffff'ffff), "RF64"), "wav", 2.5, 20'080},
             {"BW64", riff(chunk("ds64", little(20'000 + 80, 8) + little(20'000, 8) + little(20'000, 8) + little(0, 4)) + fmt() + chunk("data", silence(20'000), 0xffff'ffff), "BW64"), "wav", 2.5, 20'080},
             {"RF64, cut", riff(chunk("ds64", little(80'080, 8) + little(80'000, 8) + little(80'000, 8) + little(0, 4)) + fmt() + chunk("data", silence(20'000), 0xffff'ffff), "RF64"), "wav", 2.5, 80'080},
             {"cut", riff(fmt() + chunk("data", silence(4'000), 20'000)), "wav", 0.5, 20'044},
             {"behind zeros", zeros(300) + pcm, "wav", 2.5, 20'344},
             {"behind a tag", id3(zeros(90)) + pcm, "wav", 2.5, 20'144},
             {"no format", riff(chunk("data", silence(20'000))), "wav", {}, 20'020},
             {"no sound in it", riff(fmt()), "wav", {}, {}},
             {"nonsense for chunks", "RIFF\0\0\0\0WAVE"s + std::string(200, '\xff'), "wav", {}, {}},

             {"frames alone", mp3(100), "mp3", 7.2, {}},
             {"behind a tag", id3(zeros(300)) + mp3(100), "mp3", 7.2, {}},
             {"behind a tag with a footer", id3(zeros(300), true) + mp3(100), "mp3", 7.2, {}},
             {"behind a tag and padding", id3(zeros(300)) + zeros(50) + mp3(100), "mp3", 7.2, {}},
             {"behind zeros", zeros(100'000) + mp3(100), "mp3", 7.2, {}},
             {"behind three tags", id3("TIT2" + zeros(40)) + id3(zeros(7)) + zeros(3) + id3(std::string(5'000, '\xff')) + mp3(100), "mp3", 7.2, {}},
             {"behind a picture in a tag", id3("APIC" + std::string(200'000, '\xff')) + mp3(100), "mp3", 7.2, {}},
             {"behind what nobody knows", std::string(70'001, '\1') + mp3(100), "mp3", 7.2, {}},
             {"behind what looks like a frame", "\xff\xfb\x90\x64"s + std::string(60, 'x') + mp3(100), "mp3", 7.2, {}},
             {"with a tag at its end", mp3(100) + "TAG" + zeros(125), "mp3", 7.2, {}},
             {"frames counted", counted(100, 14'400, 100), "mp3", 7.2, 14'400},
             {"frames counted, behind a tag", id3(zeros(90)) + counted(100, 14'400, 100), "mp3", 7.2, 14'500},
             {"frames counted, cut", counted(100, 14'400, 10), "mp3", 7.2, 14'400},
             {"stereo", music(400), "mp3", 10.45, {}},
             {"one frame", mp3(1), "mp3", {}, {}},
             {"less than a frame", "\xff\xfb\x90\x64"s, "mp3", {}, {}},
             {"a tag and no frame", id3(zeros(300)) + std::string(500, 'x'), "mp3", {}, {}},
             {"a tag alone", id3(zeros(300)), "mp3", {}, {}},
             {"a tag that was cut", id3(zeros(3'000)).substr(0, 600), "mp3", {}, 3'010},

             {"m4a", m4a(2'500, false), "m4a", 2.5, {}},
             {"m4a with its table at the end", m4a(2'500, true), "m4a", 2.5, {}},
             {"m4a behind zeros", zeros(1'000) + m4a(2'500, false), "m4a", 2.5, {}},
             {"m4a without a table", box("ftyp", "M4A \0\0\0\0"s) + box("mdat", std::string(300, 'x')), "m4a", {}, {}},
             {"Opus in Ogg", opus(2.5), "ogg", 2.5, {}},
             {"Ogg of another codec", ogg_page(2, 0, 0, "\x7f" "nobody") + ogg_page(4, 9, 1, "x"), "ogg", {}, {}},
             {"FLAC", flac(20'000), "flac", 2.5, {}},
             {"FLAC behind a tag", id3(zeros(30)) + flac(20'000), "flac", 2.5, {}},
             {"WebM", "\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01"s + std::string(300, 'x'), "webm", {}, {}},
             {"AAC", adts(5), "aac", {}, {}},
             {"AMR", "#!AMR\n\x04"s + std::string(300, '\x7f'), "amr", {}, {}},
             {"AIFF", "FORM\0\0\0\x20"s + "AIFF" + std::string(300, 'x'), "aiff", {}, {}},
             {"Windows Media", "\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9"s + std::string(300, 'x'), "wma", {}, {}}}) {
        INFO(row.kind << ": " << row.what);
        auto sound = look(row.file);
        REQUIRE(sound);
        CHECK(sound->kind == row.kind);
        CHECK(sound->seconds.has_value() == row.seconds.has_value());
        if (row.seconds && sound->seconds) CHECK(*sound->seconds == Approx(*row.seconds).epsilon(0.01));
        if (row.bytes) CHECK(sound->bytes == row.bytes);
        CHECK_FALSE(no_sound(std::string_view(row.file).substr(0, kFirstLook)));
    }
    for (auto [name, kind, seconds] : {std::tuple{"booked.mp3", "mp3", 16.776}, {"not_booked.wav", "wav", 5.466}}) {
        std::ifstream in(std::string(OTTO_SOURCE_DIR "/tests/sandbox/sounds/") + name, std::ios::binary);
        std::string file((std::istreambuf_iterator<char>(in)), {});
        INFO(name);
        auto sound = look(file);
        REQUIRE(sound);
        CHECK(sound->kind == kind);
        CHECK(*sound->seconds == Approx(seconds).epsilon(0.001));
    }
}

TEST_CASE("sound: what is none, at the first look or at the last") {
    struct Row {
        std::string file, word;
    };
    for (const auto& row : std::vector<Row>{{"<!doctype html><html>", "a web page"},
                                            {"\n\n   <html>", "a web page"},
                                            {"\xEF\xBB\xBF<html>", "a web page"},
                                            {std::string(300, ' ') + "<html>", "a web page"},
                                            {"{\"error\":\"no\"}     ", "JSON"},
                                            {"[1,2]", "JSON"},
                                            {"%PDF-1.4 ..........", "no sound"},
                                            {"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n" + mp3(20), "no sound"},
                                            {"\x89PNG\r\n\x1a\n" + mp3(20), "no sound"},
                                            {"\xff\xd8\xff\xe0" + zeros(4) + mp3(20), "no sound"},
                                            {"PK\x03\x04" + mp3(20), "no sound"},
                                            {"\x1f\x8b\x08" + mp3(20), "no sound"},
                                            {"ID3 is the name of a tag", "no sound"},
                                            {"x", "no sound"},
                                            {"The recording is not ready.\r\n", "no sound"},
                                            {"Aufzeichnung l\xC3\xA4uft", "no sound"}}) {
        INFO(row.file.substr(0, 40));
        CHECK(no_sound(row.file) == row.word);
    }
    for (const auto& file :
         {zeros(16), zeros(70'000), "\xff\xfe<\0h\0t\0m\0l\0"s, std::string(100'000, '\xff'), std::string(100'000, '\x01'),
          "RIFF....AVI "s + zeros(300), "\xff\xf1\x50\x80............"s, "\xff\xfeR\0o\0o\0f\0"s, "\xff\xff\xff\xff\x01\x02"s,
          ""s, zeros(1), "\x00\xff"s, "ID3\x04\0\0\x80\0\0\0\x01\x02\x03"s}) {
        INFO(file.size() << " bytes " << static_cast<int>(file.empty() ? 0 : file[0]));
        CHECK_FALSE(look(file));
    }
}

TEST_CASE("sound: no cut and no damage makes a length that is not there, or reads without end") {
    std::uint32_t dice = 1;
    auto thrown = [&](std::size_t sides) { return (dice = dice * 1'664'525 + 1'013'904'223) / 65'536 % sides; };
    for (const auto& whole :
         {riff(fmt() + chunk("LIST", "INFOx") + chunk("data", silence(3'000))),
          riff(chunk("ds64", little(99, 8) + little(3'000, 8) + zeros(12)) + fmt() + chunk("data", silence(3'000), 0xffff'ffff),
               "RF64"),
          id3(zeros(40)) + mp3(20), counted(20, 2'880, 20), m4a(1'000, false), m4a(1'000, true), opus(1), flac(8'000), adts(4)}) {
        for (std::size_t cut = 0; cut < whole.size(); cut += cut < 400 ? 1 : 37) {
            std::size_t read = 0;
            auto sound = look(whole.substr(0, cut), &read);
            CHECK(read < 3'000'000);
            if (sound && sound->kind == "wav") CHECK(sound->seconds.value_or(0) < 1);
        }
        for (int i = 0; i < 300; ++i) {
            auto damaged = whole;
            for (std::size_t n = 0; n <= thrown(4); ++n)
                damaged[thrown(std::min<std::size_t>(damaged.size(), 300))] =
                    static_cast<char>(thrown(4) == 0 ? 0xff : thrown(256));
            std::size_t read = 0;
            auto sound = look(damaged, &read);
            CHECK(read < 30'000'000);
            if (sound && sound->seconds) CHECK((*sound->seconds > 0 && *sound->seconds <= 604'800));
        }
    }
    // Files that were made to be read for ever.
    std::string syncs, chunks = riff(fmt()), boxes;
    while (syncs.size() < 2u << 20) syncs += "\xff\xfb";
    while (chunks.size() < 2u << 20) chunks += chunk("note", "");
    while (boxes.size() < 2u << 20) boxes += box("free", "");
    for (const auto& file :
         {syncs, "\1" + syncs, chunks, box("ftyp", "M4A \0\0\0\0"s) + boxes, id3(std::string(2u << 20, '\xff')) + syncs}) {
        std::size_t read = 0;
        (void)look(file, &read);
        CHECK(read < 400'000'000);
    }
}

TEST_CASE("sound: media types") {
    CHECK(media_type("mp3") == "audio/mpeg");
    CHECK(media_type("wav") == "audio/wav");
    CHECK(media_type("") == "application/octet-stream");
    CHECK(media_type("exe") == "application/octet-stream");
}
