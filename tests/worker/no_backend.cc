// For cuda_module_test: a library that has nothing to do with us, or is older than stamps.
extern "C" int SomethingElse() { return 0; }
