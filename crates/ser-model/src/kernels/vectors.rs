/// Runs loops over slices with the widest vectors of this machine: what is inlined into `work` is compiled once for
/// AVX-512, once for AVX2 and once for every machine of the target. For short closures: a long one is not inlined, and
/// [`vectorised_call`] is its place.
#[inline]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    vectorised_call(work, |work| work())
}

/// As [`vectorised`], of a function that is `#[inline(always)]`, as a closure cannot be.
#[inline]
pub(crate) fn vectorised_call<A, R>(arguments: A, work: impl FnOnce(A) -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
        fn with_avx512<A, R>(arguments: A, work: impl FnOnce(A) -> R) -> R {
            work(arguments)
        }
        #[target_feature(enable = "avx2,fma")]
        fn with_avx2<A, R>(arguments: A, work: impl FnOnce(A) -> R) -> R {
            work(arguments)
        }
        if has_avx512() {
            // The machine has the instructions: it was asked.
            #[allow(unsafe_code, reason = "the instructions are checked for before")]
            return unsafe { with_avx512(arguments, work) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // As above.
            #[allow(unsafe_code, reason = "the instructions are checked for before")]
            return unsafe { with_avx2(arguments, work) };
        }
    }
    work(arguments)
}

#[cfg(target_arch = "x86_64")]
pub(super) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("fma")
}

/// Defines a function that runs with the widest vectors of this machine: its body is compiled once for AVX-512, once for AVX2
/// and once for every machine of the target.
macro_rules! vectorised_fn {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $of:ty),* $(,)?) $(-> $output:ty)? $body:block) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $of),*) $(-> $output)? {
            #[inline(always)]
            fn work($($argument: $of),*) $(-> $output)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
                fn with_avx512($($argument: $of),*) $(-> $output)? {
                    work($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn with_avx2($($argument: $of),*) $(-> $output)? {
                    work($($argument),*)
                }
                if $crate::kernels::vectors::has_avx512() {
                    // The machine has the instructions: it was asked.
                    #[allow(unsafe_code, reason = "the instructions are checked for before")]
                    return unsafe { with_avx512($($argument),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // As above.
                    #[allow(unsafe_code, reason = "the instructions are checked for before")]
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            work($($argument),*)
        }
    };
}
pub(super) use vectorised_fn;
