//! From a type with `#[job(...)]` to its `impl Job`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Result};

use crate::options::Options;

pub(crate) fn derive(input: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(input)?;
    let options = Options::read(&input.attrs)?;
    let Some(name) = options.name else {
        return Err(Error::new(
            input.ident.span(),
            "a job needs the name of its task: #[job(name = \"email.send\")]",
        ));
    };
    let naq = options.crate_path.map_or_else(|| quote!(::naq), |path| quote!(#path));
    let output = options.output.map_or_else(|| quote!(()), |output| quote!(#output));
    let queue = options.queue.map(|queue| quote!(.queue(#queue)));
    // The text is read once in a process, not at each enqueue.
    let policy = options.retry.as_ref().map(|text| {
        quote! {
            static POLICY: ::std::sync::LazyLock<#naq::RetryPolicy> = ::std::sync::LazyLock::new(|| {
                ::core::str::FromStr::from_str(#text).expect("the policy was checked when it was compiled")
            });
        }
    });
    let retry =
        options.retry.as_ref().map(|_| quote!(.policy(::core::clone::Clone::clone(&*POLICY))));
    let timeout = options.timeout.map(millis).map(|time| quote!(.timeout(#time)));
    let record_ttl = options.record_ttl.map(millis).map(|time| quote!(.record_ttl(#time)));
    let expires_in = options.expires_in.map(millis).map(|time| quote!(.expires_in(#time)));
    let tags = options.tags;
    let ident = &input.ident;
    let (generics, type_generics, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        #[allow(clippy::expect_used)]
        impl #generics #naq::Job for #ident #type_generics #bounds {
            const NAME: &'static str = #name;
            type Output = #output;

            fn options() -> #naq::JobOptions {
                #policy
                #naq::JobOptions::new() #queue #retry #timeout #record_ttl #expires_in #(.tag(#tags))*
            }
        }
    })
}

fn millis(duration: Duration) -> TokenStream {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_millis(#millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(attribute: &str) -> std::result::Result<String, String> {
        let source = format!("{attribute} struct SendEmail {{ to: String }}");
        let tokens = source.parse().expect("tokens");
        derive(tokens).map(|tokens| tokens.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_in_an_option_is_said() {
        for (attribute, error) in [
            ("", "a job needs the name of its task"),
            ("#[job(queue = \"mail\")]", "a job needs the name of its task"),
            ("#[job(name = \"a b\")]", "invalid task name \"a b\""),
            ("#[job(name = \"a\", queue = \"*\")]", "invalid queue name \"*\""),
            ("#[job(name = \"a\", retry = \"expo:2s\")]", "invalid strategy \"expo\": use fixed"),
            ("#[job(name = \"a\", retry = \"fixed:2s,max_retry=4\")]", "unknown key \"max_retry\""),
            ("#[job(name = \"a\", timeout = \"30\")]", "invalid duration \"30\""),
            ("#[job(name = \"a\", timeout = \"0s\")]", "zero is not allowed"),
            ("#[job(name = \"a\", retries = 3)]", "unknown option of a job; known are name"),
            ("#[job(name = \"a\", name = \"b\")]", "given twice"),
        ] {
            let said = derived(attribute).expect_err(attribute);
            assert!(said.contains(error), "{attribute}: {said}");
        }
    }

    #[test]
    fn a_type_without_options_but_the_name_has_the_defaults() {
        let tokens = derived("#[job(name = \"email.send\")]").expect("valid");
        assert!(tokens.contains(":: naq :: JobOptions :: new () }"), "{tokens}");
    }
}
