#pragma once
// RapidJSON's settings, the same wherever it is included: they decide what its inline functions are.
#define RAPIDJSON_HAS_STDSTRING 0
#if defined(__SSE2__)
#define RAPIDJSON_SSE2
#elif defined(__ARM_NEON)
#define RAPIDJSON_NEON
#endif
#include <rapidjson/document.h>
