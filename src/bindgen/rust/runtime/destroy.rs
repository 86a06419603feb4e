/// Calls the destructor of the guest's own resource, if it dropped one and wants to know.
pub fn destroy<T: 'static>(
    caller: &mut Caller<'_, T>,
    name: &str,
    rep: Option<u32>,
) -> Result<(), Trap> {
    let Some(rep) = rep else { return Ok(()) };
    match caller.get_export(name).and_then(Extern::into_func) {
        Some(function) => {
            let function = function.typed::<(i32,), ()>(&*caller)?;
            function.call(caller, (rep as i32,))
        }
        None => Ok(()),
    }
}

