use serde_yaml::granit_parser as g;
use std::io::Read;
fn main(){ let mut s=String::new(); std::io::stdin().read_to_string(&mut s).unwrap();
 let o=g::options!{ emit_unresolved_aliases:true, emit_anchor_events:true, flow_nesting_limit:64, block_nesting_limit:64 };
 let mut p=g::Parser::new_from_str_with_options(&s,o);
 let t=std::time::Instant::now(); let mut n=0;
 while let Some(r)=p.next_event(){ n+=1; match r { Ok((e,sp))=>{ if n<60 {println!("{:?} {}:{} {:?} tag={:?} {:?}",e,sp.start.line(),sp.start.col()+1,sp.byte_range(), sp.tag_span().and_then(|t|t.byte_range()), sp.slice(&s).map(|x|x.chars().take(30).collect::<String>()))} if matches!(e,g::Event::StreamEnd){break} }, Err(e)=>{println!("ERR {:?} {}", e.kind(), e); break} } }
 println!("{n} events {:?}",t.elapsed());
}
