/* A library of the name libtorch.so with nothing in it. What AOTInductor compiles asks for that name beside
   libtorch_cpu.so, where all that it uses is; the wheel's own would pull in all of CUDA. */
int rekindle_torch_name = 1;
