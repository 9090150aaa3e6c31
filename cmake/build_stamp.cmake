# cmake -D SOURCE_DIR=... -D FILES=... -D OUTPUT=... -P cmake/build_stamp.cmake: a source with kBuildStamp, a digest of the
# files, by which a program knows a library of its own build.
set(digests "")
foreach(file IN LISTS FILES)
  file(SHA256 ${SOURCE_DIR}/${file} digest)
  string(APPEND digests "${file} ${digest}\n")
endforeach()
string(SHA256 stamp "${digests}")
string(SUBSTRING ${stamp} 0 16 stamp)
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#include \"worker/cuda_module.h\"

namespace switchyard::worker {

extern const char kBuildStamp[] = \"${stamp}\";

}  // namespace switchyard::worker
" @ONLY)
